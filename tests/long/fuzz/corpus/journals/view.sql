ALTER TABLE notes RENAME TO old; CREATE VIEW notes AS SELECT key, value FROM old;
