package web

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"recall/diff"
	"recall/mask"
	"recall/plenigo"
)

// maskView is the page of what is hidden: the rules of one entity type, and what they make of a sample.
type maskView struct {
	page
	Types   []maskType
	Type    string
	Says    string
	Rules   []maskRow
	May     bool
	Form    maskForm
	Sample  string // name of the body shown
	Tree    *payloadTree
	Found   string
	Preview bool // with the rule of the form, which is not set yet
	Own     int  // rules that were set, of all types
}

type maskType struct {
	link
	Own     int
	Current bool
}

type maskRow struct {
	Path  string
	Class mood
	From  string
	Set   bool   // here, so that it can be taken back
	Was   string // what Recall’s own rule says of the same place
}

type maskForm struct {
	Mistakes []link
	Path     field
	Reason   field
	Class    mask.Class
}

func maskURL(entityType string) string {
	return "/masking?" + url.Values{"type": {entityType}}.Encode()
}

func (s *server) maskShow(w http.ResponseWriter, r *http.Request) error {
	rules, err := s.DB.MaskRules(r.Context())
	if err != nil {
		return err
	}
	v := s.newMaskView(r, rules, r.URL.Query().Get("type"))
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, maskPage(v))
}

// maskSet sets a rule, or shows what it would hide.
func (s *server) maskSet(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	rules, err := s.DB.MaskRules(r.Context())
	if err != nil {
		return err
	}
	rule, wrong := mask.Rule{EntityType: r.PostForm.Get("type"), Path: r.PostForm.Get("path"), Class: mask.Class(r.PostForm.Get("class"))}.Check()
	preview := r.PostForm.Get("do") == "preview"
	if wrong == nil && preview {
		if rules, err = mask.New(append(withoutRule(rules.Own(), rule), rule)); err != nil {
			return err
		}
	}
	if wrong == nil && !preview {
		if err := s.DB.SetMaskRule(r.Context(), rule, s.note(r, "mask.set", rule.EntityType, reason, nil)); err != nil {
			return err
		}
		return s.done(w, r, maskURL(rule.EntityType), "The rule holds now, on every instance.")
	}
	v := s.newMaskView(r, rules, rule.EntityType)
	v.Form.Path.Value, v.Form.Reason.Value, v.Form.Class = plainText(r.PostForm.Get("path")), plainText(reason), mask.Class(r.PostForm.Get("class"))
	v.Preview = wrong == nil
	status := http.StatusOK
	if wrong != nil {
		mistakes := problems{}
		mistakes.add("path", wrong)
		v.Form.Mistakes = mistakes.mark(&v.Form.Path)
		status = http.StatusUnprocessableEntity
	}
	return s.render(w, r, status, maskPage(v))
}

func withoutRule(rules []mask.Rule, gone mask.Rule) []mask.Rule {
	return slices.DeleteFunc(rules, func(r mask.Rule) bool { return r.Key() == gone.Key() })
}

// maskReset takes a rule back, or all of a type.
func (s *server) maskReset(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	entityType, path := r.PostForm.Get("type"), r.PostForm.Get("path")
	if entityType == "" {
		return mistake("Say of which entity type a rule is to be taken back.")
	}
	gone, err := s.DB.ResetMask(r.Context(), entityType, path, s.note(r, "mask.reset", entityType, "", nil))
	if err != nil {
		return err
	}
	message := "Recall’s own rules hold again: " + plural(gone, "rule was", "rules were") + " taken back."
	if gone == 0 {
		message = "There was nothing to take back."
	}
	return s.done(w, r, maskURL(entityType), message)
}

func (s *server) newMaskView(r *http.Request, rules *mask.Rules, chosen string) maskView {
	v := maskView{page: s.newPage(r, "Masking"), Type: chosen, Own: len(rules.Own())}
	v.Section, v.May = "masking", v.mayChange()
	if v.Type == "" {
		v.Type = "CUSTOMER"
	}
	v.Form = maskForm{
		Path:  field{Name: "path", Label: "Path", Hint: "entity.items.price, **.nickname at any depth, * for any letters in a name", Max: 300, Wants: true, Code: true},
		Class: mask.Personal, Reason: reasonField("Reason", "It stands in the audit list."),
	}
	types := map[string]int{v.Type: 0}
	for _, rule := range mask.Known() {
		types[rule.EntityType] += 0
	}
	for _, rule := range rules.Own() {
		types[rule.EntityType]++
	}
	names := slices.Sorted(maps.Keys(types))
	slices.SortStableFunc(names, func(a, b string) int { return maskRank(a) - maskRank(b) })
	for _, name := range names {
		v.Types = append(v.Types, maskType{link{maskTypeWords(name), maskURL(name)}, types[name], name == v.Type})
	}
	v.Rules = maskRows(rules, v.Type)
	switch v.Type {
	case mask.EveryType:
		v.Says = "These hold for every entity type, also for those that plenigo adds one day. A rule of one type goes before them."
	case mask.Headers:
		v.Says = "Headers that are not named here are hidden, since a sender may put anything into them. What lets someone in is always hidden."
	default:
		v.Says = "Beside these, the rules of every type hold. Of several the nearest decides: what was set here before Recall’s own, one type before all, the deeper path before the shorter."
	}
	v.setSample(rules)
	return v
}

func maskRank(entityType string) int {
	switch entityType {
	case mask.EveryType:
		return 1
	case mask.Headers:
		return 2
	}
	return 0
}

func maskTypeWords(entityType string) string {
	switch entityType {
	case mask.EveryType:
		return "Every type"
	case mask.Headers:
		return "Headers"
	}
	kind, _ := typeWords(entityType, "")
	return cut(plainText(kind), 60)
}

func classMood(c mask.Class) mood {
	switch c {
	case mask.Personal:
		return mood{toneInfo, "person", "personal"}
	case mask.Secret:
		return mood{toneWarn, "eye-off", "secret"}
	}
	return mood{toneGood, "eye", "shown"}
}

// maskRows are the rules that name a type, those that were set first.
func maskRows(rules *mask.Rules, entityType string) (rows []maskRow) {
	known := map[string]mask.Rule{}
	for _, rule := range mask.Known() {
		if rule.EntityType == entityType {
			known[rule.Key()] = rule
		}
	}
	for _, rule := range rules.Own() {
		if rule.EntityType != entityType {
			continue
		}
		row := maskRow{Path: rule.Path, Class: classMood(rule.Class), From: "set here", Set: true}
		if before, is := known[rule.Key()]; is {
			row.Was = string(before.Class)
			delete(known, rule.Key())
		}
		rows = append(rows, row)
	}
	for _, rule := range mask.Known() {
		if _, is := known[rule.Key()]; is && rule.EntityType == entityType {
			rows = append(rows, maskRow{Path: rule.Path, Class: classMood(rule.Class), From: rule.Why})
		}
	}
	return rows
}

// setSample shows what the rules make of an invented callback of the type.
func (v *maskView) setSample(rules *mask.Rules) {
	var sample *plenigo.Sample
	for _, one := range plenigo.Samples() {
		entityType := plenigo.Read(one.Body).EntityType
		if entityType == v.Type || v.Type == mask.EveryType && strings.HasPrefix(one.Name, "order.creation.gift") || v.Type != mask.Headers && sample == nil && strings.HasPrefix(one.Name, "some_future_type") {
			if sample == nil || entityType == v.Type && plenigo.Read(sample.Body).EntityType != v.Type {
				sample = &one
			}
		}
	}
	if sample == nil {
		return
	}
	root, isJSON := diff.Parse(sample.Body)
	if !isJSON {
		return
	}
	found := rules.Tree(root, mask.Reveal{})
	v.Sample, v.Tree, v.Found = sample.Name, newTreeOf(root), cmp.Or(hiddenWords(found, mask.Reveal{}), "Nothing is hidden.")
}

// maskSubject is where the audit list finds a masking rule.
func maskSubject(subject string) string {
	if subject == "" {
		return "/masking"
	}
	return maskURL(subject)
}
