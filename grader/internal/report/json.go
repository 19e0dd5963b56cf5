package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
)

// JSON writes a report in its stable, versioned form.
func JSON(w io.Writer, r any) error {
	text, err := encodeJSON(r, "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// encodeJSON encodes v. What a terminal or GitHub could take for a command is
// escaped, so that the text can be printed anywhere.
func encodeJSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, r := range bytes.Runes(bytes.ReplaceAll(b.Bytes(), []byte("##["), []byte(`##\u005b`))) {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) && r <= 0xffff {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.Bytes(), nil
}
