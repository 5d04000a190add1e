module example.org/site

go 1.22.0

toolchain go1.22.4

require (
	github.com/gorilla/mux v1.8.1
	golang.org/x/text v0.16.0 // indirect; used by x
	golang.org/x/exp v0.0.0-20240613232115-7f521ea00fb8
)

require github.com/lib/pq v1.10.9

exclude golang.org/x/text v0.15.0
