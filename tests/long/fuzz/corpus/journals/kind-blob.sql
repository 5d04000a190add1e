UPDATE events SET kind = x'ff';
