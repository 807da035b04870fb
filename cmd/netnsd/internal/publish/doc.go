//go:build linux

// Package publish reads what users write of ports that lead inside, and opens them:
//
//	[HOSTADDR:]HOSTPORT[-LAST][:[ADDR:]PORT[-LAST]][/tcp|/udp|/both][,proxy=v1|v2]
//
//	8080                       port 8080 of all addresses of this host, to 8080 inside
//	8080:80                    to port 80 inside
//	127.0.0.1:8080:80          only for this host
//	8080:10.0.2.100:80         to one of several addresses inside
//	[::1]:8080:80              IPv6 stands in brackets
//	127.0.0.1:0:80             any free port, which is told
//	5300:53/udp, 5300:53/both  UDP; TCP and UDP
//	8000-8099:9000-9099        as many ports inside
//	8080:80,proxy=v2           PROXY protocol tells the server who the client is
//
// What leads a client inside is gateway.Publish; nothing of it is here.
package publish
