// Package thread gives work an operating system thread that may be spoiled.
package thread
