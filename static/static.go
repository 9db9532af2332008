// Package static holds the files the pages need: styles, scripts, icons. Nothing is loaded from elsewhere.
package static
