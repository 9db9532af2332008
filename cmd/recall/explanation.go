package main

import (
	"fmt"
	"io"

	"recall/verify"
)

// writeExplanation tells why a callback got its result: the cause and what to do, then step by step, then what was tried.
func writeExplanation(w io.Writer, e *verify.Explanation) {
	rows := [][]string{{"Verdict", verdictWords(e.Result)}}
	rows = append(rows, findingRows("Cause", e.Finding)...)
	for _, f := range e.Further {
		rows = append(rows, findingRows("Also", f)...)
	}
	writeTable(w, rows)
	fmt.Fprintln(w)
	writeSteps(w, e.Steps)
	if e.Signed != nil {
		text := harmless(e.Signed.First)
		if e.Signed.Last != "" {
			text += " … " + harmless(e.Signed.Last)
		}
		fmt.Fprintf(w, "\nThe signed text, of %s: %s\n", plural(e.Signed.Size, "byte", "bytes"), text)
	}
	if len(e.Tried)+len(e.NotTried) == 0 {
		return
	}
	fmt.Fprintln(w, "\nTried, and does not fit:")
	for _, t := range e.Tried {
		fmt.Fprintf(w, "    %s", harmless(t.Cause.Words()))
		if t.Variants > 1 {
			fmt.Fprintf(w, ", in %d ways", t.Variants)
		}
		fmt.Fprintln(w)
	}
	for _, t := range e.NotTried {
		fmt.Fprintf(w, "    not tried: %s\n", harmless(t))
	}
}

func findingRows(name string, f verify.Finding) [][]string {
	rows := [][]string{{name, harmless(f.Words)}}
	if f.Do != "" {
		rows = append(rows, []string{"", harmless(f.Do)})
	}
	return rows
}

// verdictWords is a verdict with its reason.
func verdictWords(r verify.Result) string {
	if r.Reason == "" {
		return string(r.Verdict)
	}
	return fmt.Sprintf("%s (%s)", r.Verdict, r.Reason)
}

// printVerification tells a result in words: the verdict, then each check.
func printVerification(w io.Writer, result verify.Result) {
	writeTable(w, [][]string{{"Verdict", verdictWords(result)}})
	writeSteps(w, result.Explain())
}

func writeSteps(w io.Writer, steps []verify.Step) {
	var rows [][]string
	for _, step := range steps {
		rows = append(rows, []string{harmless(step.Name), harmless(or(string(step.Status), "-")), harmless(step.Words)})
	}
	writeTable(w, rows)
}
