DROP TABLE idle_hint;
