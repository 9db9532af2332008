# Everything that Recall's development and a first look need. `make help` explains each.

# Programs that scripts/ unpacked for a user without root are found after the system's own.
export PATH := $(PATH):$(CURDIR)/.tools/postgres/bin

# The version is taken from git, where there is one and it can be read.
VCS := $(shell git rev-parse --verify --quiet HEAD >/dev/null 2>&1 && echo true || echo false)

.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

.PHONY: run
run: build ## Install what is missing, build, and run Recall with its demo data
	@[ -n "$$RECALL_DATABASE_URL$$RECALL_DATABASE_URL_FILE" ] || scripts/install-postgres
	./bin/recall serve --demo

.PHONY: build
build: ## Build bin/recall
	@echo "Building bin/recall; the first time takes a few minutes."
	@CGO_ENABLED=0 go build -trimpath -buildvcs=$(VCS) -o bin/recall ./cmd/recall

.PHONY: test
test: ## Install what is missing, and run every test on a real PostgreSQL and a real browser
	@scripts/install-postgres
	@scripts/install-pgbouncer
	@scripts/install-chromium
	@echo "Running every test; this takes a few minutes."
	go test -count=1 -timeout=20m ./...
	cd deploy/lint && go test -count=1 ./...

.PHONY: test-race
test-race: ## The same with the race detector, which needs a C compiler and more time
	@scripts/install-postgres
	@scripts/install-pgbouncer
	@scripts/install-chromium
	CGO_ENABLED=1 go test -race -count=1 -timeout=30m ./...

.PHONY: generate
generate: ## Make the Go code of the templates and docs/settings.md anew
	go tool templ generate -log-level=error
	@go run ./cmd/recall settings > docs/settings.md.new && mv docs/settings.md.new docs/settings.md

.PHONY: licences
licences: ## Write docs/licences.md, the licence of everything that is linked in
	@scripts/licences

.PHONY: verify
verify: ## Check what needs no test: generated files, format, vet, staticcheck, modules, known vulnerabilities, licences
	@scripts/verify

.PHONY: bench
bench: build ## Measure Recall against limits of the same run, into docs/performance.md; other flags in BENCH="..."
	@scripts/install-postgres
	@go build -o bin/bench ./bench
	./bin/bench -out docs/performance.md $(BENCH)

.PHONY: soak
soak: ## Kill, stop, cut and fill up everything around a loaded Recall, many times over (FAULTS=200)
	@scripts/install-postgres
	@scripts/install-pgbouncer
	RECALL_SOAK_FAULTS=$(or $(FAULTS),200) go test ./soak -tags=soak -count=1 -timeout=120m -v

.PHONY: release
release: ## Build the archives of a release into dist/, with SBOM, licences and checksums
	@scripts/release

.PHONY: screenshots
screenshots: ## Take a picture of every page, in both themes and at both widths, into screenshots/
	@scripts/install-postgres
	@scripts/install-chromium
	@rm -rf screenshots
	RECALL_SCREENSHOTS=$(CURDIR)/screenshots go test ./web -tags=screenshots -run '^TestScreenshots$$' -count=1 -timeout=40m

.PHONY: pictures
pictures: ## Take the pictures of the documents anew, into docs/img
	@scripts/install-postgres
	@scripts/install-chromium
	RECALL_PICTURES=$(CURDIR)/docs/img go test ./cmd/recall -tags=screenshots -run '^TestPictures$$' -count=1

.PHONY: clean
clean: ## Remove what was built and unpacked here; the data folder stays
	rm -rf bin dist screenshots .tools
