DROP TABLE glance;
