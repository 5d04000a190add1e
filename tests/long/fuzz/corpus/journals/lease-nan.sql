INSERT OR REPLACE INTO notes VALUES ('lease', 'nan me');
