"""What several kinds of steps share. The modules beside this package are the kinds themselves, one file each."""
