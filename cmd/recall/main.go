// Command recall receives plenigo callbacks, proves them, keeps every one, shows them, and sends them again.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is every command and flag. A command is a type of its own with Run(ctx, app), in a file of its name.
type cli struct {
	commonSettings `embed:"" group:"Settings of every command"` // settingsOfAll
	Version        kong.VersionFlag                             `help:"Print the version and leave."`

	Serve       serveCmd       `cmd:"" help:"Run the receiver, the admin UI and the workers."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database's schema up to date, or show where it stands."`
	DB          dbCmd          `cmd:"" name:"db" help:"Reach the database with other programs."`
	Source      sourceCmd      `cmd:"" help:"Manage sources: who calls us, with which secrets."`
	Destination destinationCmd `cmd:"" help:"Manage destinations: where events are sent."`
	Event       eventCmd       `cmd:"" help:"List, show, redispatch and re-verify events."`
	Replay      replayCmd      `cmd:"" help:"Send many events again: planned first, then a few, then all, at a rate."`
	Retention   retentionCmd   `cmd:"" help:"For how long things are kept, what would go, and what is held."`
	Erasure     erasureCmd     `cmd:"" help:"Destroy what is held about a person, or one event, for good."`
	Person      personCmd      `cmd:"" help:"Answer a person who asks what is held about them."`
	Search      searchCmd      `cmd:"" help:"Show how far the search index is, or have it made anew."`
	Mask        maskCmd        `cmd:"" help:"What of an event is personal or secret, and hidden until it is revealed."`
	Audit       auditCmd       `cmd:"" help:"List and export who did what, and check that nothing of it was changed."`
	Key         keyCmd         `cmd:"" help:"Change the key that seals secrets, and see what is sealed with which."`
	Alert       alertCmd       `cmd:"" help:"What somebody should look at, and who is told of it."`
	User        userCmd        `cmd:"" help:"Manage who may log in."`
	Demo        demoCmd        `cmd:"" help:"Remove what serve --demo made."`
	Token       tokenCmd       `cmd:"" help:"Manage the tokens that programs use the API with."`
	Simulate    simulateCmd    `cmd:"" help:"Send signed callbacks as plenigo does."`
	Doctor      doctorCmd      `cmd:"" help:"Say what is wrong, and what to do about it."`
	Verify      verifyCmd      `cmd:"" help:"Check one captured request offline, and explain the result."`
	Health      healthCmd      `cmd:"" help:"Ask a running serve whether it takes callbacks; for container health checks."`
	Completion  completionCmd  `cmd:"" help:"Print what a shell needs to complete commands and flags."`
	Man         manCmd         `cmd:"" help:"Print the manual page."`
	Settings    settingsCmd    `cmd:"" hidden:"" help:"Print docs/settings.md."`
}

// settingsOfAll is the heading of the settings of every command.
const settingsOfAll = "Settings of every command"

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	stopOnSignal(cancel)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// stopOnSignal ends ctx at the first signal, in order; a second one ends the program at once, as if nobody listened.
// A signal that whoever started us wanted ignored (nohup) stays so.
func stopOnSignal(cancel context.CancelFunc) {
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
}

// run does one command and returns the exit status: 0 done, 1 failed, 2 wrong use.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := runCommand(ctx, args, stdin, stdout, stderr)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSaid):
		return 1
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "recall: %v\n", err)
		return 2
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "recall: stopped before it was done")
		return 1
	}
	fmt.Fprintf(stderr, "recall: %v\n", err)
	return 1
}

func runCommand(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var commands cli
	parser, err := kong.New(&commands,
		kong.Name("recall"),
		kong.Description("Recall receives plenigo callbacks, proves them, keeps every one, shows them, and sends them again."),
		kong.Vars{"version": version()},
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		return usagef("%v; see recall --help", err)
	}
	known := applyDefaults(parser)
	cfg, err := newConfig(commands.commonSettings, commands.Serve.serveSettings)
	name := command.Command()
	if err != nil && !needsNoSetting(name) {
		return err
	}
	if !cfg.LogLevelSet && (name != "serve" || commands.Serve.Demo) {
		cfg.LogLevel = slog.LevelWarn
	}
	a := newApp(cfg, stdin, stdout, stderr)
	a.warnUnknown(known)
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(parser.Model)
	return command.Run(a)
}

// needsNoSetting tells the commands that work whatever the settings are.
func needsNoSetting(command string) bool {
	name, _, _ := strings.Cut(command, " ")
	switch name {
	case "verify", "simulate", "completion", "man", "settings", "health":
		return true
	}
	return false
}

// version is what the build says about itself.
func version() string {
	if releaseName != "" {
		return "recall " + releaseName + ", " + runtime.Version()
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "recall, version unknown"
	}
	text := "recall " + info.Main.Version
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text += " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			text += " with changes"
		}
	}
	return text + ", " + info.GoVersion
}
