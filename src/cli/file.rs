//! The configuration file: the options of the server, in TOML.
//!
//! A key is the name of an option, and its value is what would follow on the command line; a list repeats the option.
//! So each option is defined once, and its values have one parser, wherever they come from.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};
use toml::{Table, Value};

/// The file with every option, commented out, at its default.
pub(super) const DEFAULT: &str = include_str!("default.toml");

/// The options in the text of a file as arguments, without those that were given in another way.
pub(super) fn arguments(
    text: &str,
    command: &clap::Command,
    given: &ArgMatches,
) -> Result<Vec<OsString>, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| place(text, &error))?;
    let mut arguments = Vec::new();
    for (key, value) in &table {
        let arg = option(command, key).ok_or_else(|| format!("{key} is no option"))?;
        let source = given.value_source(arg.get_id().as_str());
        if matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            continue;
        }
        for value in scalars(value) {
            let value = written(value).ok_or_else(|| format!("{key} cannot be a {}", value.type_str()))?;
            arguments.push(format!("--{key}={value}").into());
        }
    }
    Ok(arguments)
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn option<'c>(command: &'c clap::Command, key: &str) -> Option<&'c Arg> {
    // A file that names another would have to say which of the two takes precedence.
    command.get_arguments().find(|arg| arg.get_long() == Some(key) && key != "config")
}

fn scalars(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        value => std::slice::from_ref(value),
    }
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(switch) => Some(switch.to_string()),
        _ => None,
    }
}

/// The error with its location, in one line.
fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

#[cfg(test)]
mod tests {
    use super::super::arguments::{Stop, parse};
    use super::super::options::Command;
    use super::*;
    use clap::CommandFactory;
    use fanfare::Config;

    /// The lines of the file that give an option, without the sign that comments them out.
    fn options(sign: &str) -> String {
        let line = |line: &'static str| {
            line.strip_prefix(sign).filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        DEFAULT.lines().filter_map(line).collect::<Vec<_>>().join("\n")
    }

    fn config(text: &str, args: &[&str]) -> Result<Config, String> {
        let file =
            std::env::temp_dir().join(format!("fanfare-{}-{}.toml", std::process::id(), fastrand::u64(..)));
        std::fs::write(&file, text).unwrap();
        let fixed = ["fanfare", "serve", "--config", file.to_str().unwrap()];
        let result = parse(fixed.iter().chain(args).map(OsString::from).collect());
        std::fs::remove_file(&file).unwrap();
        match result {
            Ok(Command::Serve(options)) => Ok(options.resolve()),
            Err(Stop::Wrong(message)) => Err(message),
            other => panic!("not a server: {other:?}"),
        }
    }

    #[test]
    fn the_file_gives_every_option_its_default() {
        assert!(options("#").lines().count() > 10);
        assert_eq!(config(&options("#"), &[]), Ok(Config::default()));
        assert_eq!(config(DEFAULT, &[]), Ok(Config::default()));
    }

    #[test]
    fn the_examples_of_the_file_are_sound() {
        for example in options("##").lines() {
            assert_ne!(config(example, &[]), Ok(Config::default()), "{example}");
            assert!(config(example, &[]).is_ok(), "{example}");
        }
    }

    #[test]
    fn the_file_has_every_option() {
        let command = Command::command();
        let serve = command.find_subcommand("serve").unwrap();
        for arg in serve.get_arguments().filter_map(Arg::get_long).filter(|arg| *arg != "config") {
            let is_there = |line: &str| line.trim_start_matches('#').starts_with(&format!("{arg} = "));
            let is_there = DEFAULT.lines().any(is_there);
            assert!(is_there, "{arg} is not in default.toml");
        }
    }

    #[test]
    fn the_command_line_counts_before_the_file() {
        let text = "retry = \"9s\"\nmax-connections = 7\ninsecure-open = true\ndev-endpoints = false\n";
        let both = config(text, &["--retry", "1s"]).unwrap();
        assert_eq!(both.retry.as_secs(), 1);
        assert_eq!(
            (both.max_connections, both.insecure_open, both.dev_endpoints),
            (Some(7), true, Some(false))
        );
        let listen = "listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]";
        assert_eq!(config(listen, &[]).unwrap().listen.len(), 2);
        assert_eq!(config(listen, &["--listen", "127.0.0.1:3"]).unwrap().listen.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (text, expected) in [
            ("retry = ", "line 1"),
            ("\n\nretry = = 1", "line 3"),
            ("retri = \"1s\"", "retri is no option"),
            ("config = \"other.toml\"", "config is no option"),
            ("help = true", "help is no option"),
            ("retry = \"soon\"", "soon"),
            ("retry = 1.5", "retry cannot be a float"),
            ("[retry]\nx = 1", "retry cannot be a table"),
        ] {
            let error = config(text, &[]).unwrap_err();
            assert!(error.contains(expected) && !error.contains('\n'), "{text:?}: {error}");
        }
    }
}
