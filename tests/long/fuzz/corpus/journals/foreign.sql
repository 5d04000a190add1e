UPDATE glance SET environment = 'staging';
