INSERT OR REPLACE INTO notes VALUES ('lease', '9e99 me');
