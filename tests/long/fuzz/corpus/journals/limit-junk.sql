INSERT OR REPLACE INTO notes VALUES ('manual-backup-limit', '٣');
