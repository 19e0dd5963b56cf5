// Package trick behaves well.
package trick

// Do does what it is asked, and says whether all went well.
func Do(what string) bool { return true }
