UPDATE runs SET opened_at = 9e999;
