INSERT INTO runs VALUES ('nightly@x', 'nightly', 'x', 0, 0, NULL, NULL);
