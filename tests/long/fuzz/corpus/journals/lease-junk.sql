INSERT OR REPLACE INTO notes VALUES ('lease', 'x y z');
