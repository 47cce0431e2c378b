//! From the arguments of the process to a command.

use std::ffi::OsString;
use std::iter;
use std::path::Path;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches};

use super::file;
use super::options::{Command, ServeOptions};

/// `fanfare --listen …` is `fanfare serve --listen …`.
pub(super) fn with_default_command(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    let is_own = |arg: &OsString| matches!(arg.to_str(), Some("-h" | "--help" | "-V" | "--version"));
    let is_option = |arg: &OsString| arg.to_str().is_none_or(|arg| arg.starts_with('-'));
    if args.get(1).is_none_or(|arg| is_option(arg) && !is_own(arg)) {
        args.insert(args.len().min(1), "serve".into());
    }
    args
}

/// Why there is no command to run.
#[derive(Debug)]
pub(super) enum Stop {
    /// Help or the version was asked for: its text.
    Help(String),
    /// The arguments are invalid: the reason, in one line.
    Wrong(String),
}

/// Reads the command line, then the environment, then, for the server, the configuration file.
pub(super) fn parse(args: Vec<OsString>) -> Result<Command, Stop> {
    let definition = without_empty_variables(Command::command());
    let matches = definition.clone().try_get_matches_from(&args)?;
    let command = Command::from_arg_matches(&matches)?;
    let Command::Serve(options) = &command else { return Ok(command) };
    let (Some(path), Some(given)) = (&options.config, matches.subcommand_matches("serve")) else {
        return Ok(command);
    };
    with_file(path, &definition, given, args)
        .map_err(|message| Stop::Wrong(format!("--config: {}: {message}", path.display())))
}

/// Ignores variables that are empty, as compose files set them: they count as absent.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|command| {
        command.mut_args(|arg| match arg.get_env().and_then(std::env::var_os) {
            Some(value) if value.is_empty() => arg.env(Resettable::Reset),
            _ => arg,
        })
    })
}

/// The options in a file, regardless of the environment.
pub(super) fn parse_file(path: &Path) -> Result<ServeOptions, String> {
    let parser =
        ServeOptions::augment_args(clap::Command::new("fanfare")).mut_args(|arg| arg.env(Resettable::Reset));
    let read = || {
        let none = parser.clone().try_get_matches_from(["fanfare"]).map_err(|error| error.to_string())?;
        let arguments = file::arguments(&file::read(path)?, &parser, &none)?;
        let args = iter::once("fanfare".into()).chain(arguments);
        let matches =
            parser.clone().try_get_matches_from(args).map_err(|error| in_one_line(&error.to_string()))?;
        ServeOptions::from_arg_matches(&matches).map_err(|error| in_one_line(&error.to_string()))
    };
    read().map_err(|message| format!("{}: {message}", path.display()))
}

/// Adds to the command line what only the file gives.
fn with_file(
    path: &Path,
    definition: &clap::Command,
    given: &ArgMatches,
    args: Vec<OsString>,
) -> Result<Command, String> {
    let serve = definition.find_subcommand("serve").unwrap_or(definition);
    let arguments = file::arguments(&file::read(path)?, serve, given)?;
    // The program and the subcommand come first.
    let mut args = args;
    args.splice(args.len().min(2)..args.len().min(2), arguments);
    let matches = definition.clone().try_get_matches_from(args);
    let command = matches.and_then(|matches| Command::from_arg_matches(&matches));
    command.map_err(|error| in_one_line(&error.to_string()))
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        match error.use_stderr() {
            true => Self::Wrong(in_one_line(&error.to_string()) + hint(&error)),
            // To the parser, help and version are errors.
            false => Self::Help(error.to_string()),
        }
    }
}

/// Options of other servers for the address to listen on.
const NOT_LISTEN: [&str; 4] = ["'--port'", "'--host'", "'--bind'", "'-p'"];

/// What the user may have meant instead.
fn hint(error: &clap::Error) -> &'static str {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    match error.kind() == ErrorKind::UnknownArgument && NOT_LISTEN.iter().any(|option| first.contains(option))
    {
        true => "; where to listen is said by --listen 127.0.0.1:3000",
        false => "",
    }
}

/// The error and the possible values, without the usage that follows: logs and people read one line.
fn in_one_line(text: &str) -> String {
    let is_own = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more information");
    let own: Vec<&str> =
        text.lines().map(str::trim).take_while(is_own).filter(|line| !line.is_empty()).collect();
    let line = own.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
