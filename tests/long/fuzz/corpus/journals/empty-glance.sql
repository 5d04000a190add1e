DELETE FROM glance;
