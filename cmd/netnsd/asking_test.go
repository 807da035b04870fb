//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Ways of a program to ask a name service of its own choice.

// question is a query for the IPv4 addresses of name.
func question(name string) ([]byte, error) {
	n, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 1, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: n, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	return m.Pack()
}

// answered reports an answer with an address.
func answered(b []byte) error {
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		return err
	}
	if len(m.Answers) == 0 {
		return fmt.Errorf("no answer: %v", m.RCode)
	}
	return nil
}

// query SERVER NAME asks a server over UDP.
func query(args []string) error {
	q, err := question(args[1])
	if err != nil {
		return err
	}
	c, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write(q); err != nil {
		return err
	}
	b := make([]byte, 1500)
	n, err := c.Read(b)
	if err != nil {
		return err
	}
	return answered(b[:n])
}

// doh URL NAME asks over HTTPS (RFC 8484).
func askHTTPS(args []string) error {
	q, err := question(args[1])
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	r, err := client.Post(args[0], "application/dns-message", bytes.NewReader(q))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return errors.New(r.Status)
	}
	return answered(b)
}
