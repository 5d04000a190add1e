UPDATE glance SET next_due = 'never';
