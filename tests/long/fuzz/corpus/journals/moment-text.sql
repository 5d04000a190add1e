UPDATE runs SET due_at = 'soon';
