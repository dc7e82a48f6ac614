// Executes templates as Go does: a JSON object with a template on each line of standard input, one with what came of it
// on each line of standard output. The functions beside Go's own are those that docker has. With a table instead of a
// template its columns are aligned, as docker does it.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"text/tabwriter"
	"text/template"
)

type inner struct {
	Text  string
	Count int
	Next  *inner
}

type data struct {
	Name    string
	Empty   string
	Count   int
	Ratio   float64
	On      bool
	Texts   []string
	Numbers []int
	None    []string
	Labels  map[string]string
	NoMap   map[string]string
	Any     map[string]any
	Inner   inner
	Nothing *inner
}

func (data) Label(name string) string { return "label " + name }
func (data) Double(n int) int         { return 2 * n }

var functions = template.FuncMap{
	"json": func(v any) string {
		buffer := &bytes.Buffer{}
		encoder := json.NewEncoder(buffer)
		encoder.SetEscapeHTML(false)
		encoder.Encode(v)
		return strings.TrimSpace(buffer.String())
	},
	"split": strings.Split,
	"join":  strings.Join,
	"title": strings.Title,
	"lower": strings.ToLower,
	"upper": strings.ToUpper,
	"pad": func(source string, prefix, suffix int) string {
		if source == "" {
			return source
		}
		return strings.Repeat(" ", prefix) + source + strings.Repeat(" ", suffix)
	},
	"truncate": func(source string, length int) string {
		if len(source) < length {
			return source
		}
		return source[:length]
	},
}

type asked struct {
	Template string
	Strict   bool
	Table    string
}

type answer struct {
	Output string
	Error  string
}

func execute(question asked) answer {
	if question.Table != "" {
		buffer := &bytes.Buffer{}
		table := tabwriter.NewWriter(buffer, 10, 1, 3, ' ', 0)
		table.Write([]byte(question.Table))
		table.Flush()
		return answer{Output: buffer.String()}
	}
	parsed, err := template.New("").Funcs(functions).Parse(question.Template)
	if err != nil {
		return answer{Error: err.Error()}
	}
	if question.Strict {
		parsed = parsed.Option("missingkey=error")
	}
	buffer := &bytes.Buffer{}
	if err := parsed.Execute(buffer, example); err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Output: buffer.String()}
}

var example = data{
	Name:    "web <1> & é",
	Count:   42,
	Ratio:   2.5,
	On:      true,
	Texts:   []string{"a", "b c", "é"},
	Numbers: []int{3, 1, 2},
	Labels:  map[string]string{"one": "1", "a.b": "x<y"},
	Any:     map[string]any{"text": "t", "nil": nil, "float": 1e6, "list": []any{"x", 1.5, true}, "map": map[string]any{"k": "v"}},
	Inner:   inner{Text: "in", Count: 7},
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	encoder := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var question asked
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			panic(err)
		}
		encoder.Encode(execute(question))
	}
}
