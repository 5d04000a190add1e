UPDATE cursors SET until = x'00';
