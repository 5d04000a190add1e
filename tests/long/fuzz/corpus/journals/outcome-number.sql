UPDATE runs SET outcome = 3;
