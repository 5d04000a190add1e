module example.org/site

go 1.21

require (
	github.com/gorilla/mux v1.8.0
	github.com/old/lib v2.0.0+incompatible // indirect
	golang.org/x/text v0.3.7 // indirect
	golang.org/x/exp v0.0.0-20230108222341-4b8118a2686a
)

require github.com/lib/pq v1.10.2

replace github.com/lib/pq => github.com/fork/pq v1.10.3

replace example.org/local => ../local
