//! `cometail man`: the manual pages, made of what the commands say of themselves.
//!
//! Format: `cometail.1`, one page for each command below it, and `cometail.toml.5`, which is the configuration file that
//! has every key.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Arguments, IO, fail};

/// Write the manual pages into a directory
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cometail man /usr/local/share/man
  cometail man /tmp/man && man -l /tmp/man/man1/cometail-tail.1")]
pub(super) struct Man {
    /// Below it they are in man1 and man5; made where it is not there
    dir: PathBuf,
}

pub(super) fn main(man: &Man) -> u8 {
    let written = write(&man.dir);
    written.map_or_else(|error| fail(IO, &format!("{}: {error}", man.dir.display())), |()| 0)
}

fn write(dir: &Path) -> io::Result<()> {
    let (commands, formats) = (dir.join("man1"), dir.join("man5"));
    fs::create_dir_all(&commands)?;
    fs::create_dir_all(&formats)?;
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    write_below(&root, &[], &commands)?;
    fs::write(formats.join("cometail.toml.5"), configuration()?)
}

/// A page for a command, and those of the commands below it.
fn write_below(command: &Command, above: &[String], dir: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    fs::write(dir.join(format!("{name}.1")), page(command, above)?)?;
    let above = [above, &[name]].concat();
    command.get_subcommands().try_for_each(|one| write_below(one, &above, dir))
}

fn page(command: &Command, above: &[String]) -> io::Result<Vec<u8>> {
    let page = Page::new(command.clone());
    let mut text = title(command.get_display_name().unwrap_or_else(|| command.get_name()), 1);
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let mut more = Roff::new();
    after_help(&mut more, &command.get_after_help().map(ToString::to_string).unwrap_or_default());
    if above.is_empty() {
        of_all_commands(&mut more);
    }
    see_also(&mut more, above);
    more.to_writer(&mut text)?;
    Ok(text)
}

/// The first line of a page. Its date stays empty, so that the same sources give the same page; what renders a title
/// elsewhere leaves an empty argument out.
fn title(name: &str, section: u8) -> Vec<u8> {
    let (name, version) = (name.to_uppercase(), env!("CARGO_PKG_VERSION"));
    format!(".TH \"{name}\" \"{section}\" \"\" \"cometail {version}\" \"cometail\"\n").into_bytes()
}

/// What stands below the options in the help: words, and then examples.
fn after_help(roff: &mut Roff, text: &str) {
    let lines: Vec<_> = text.lines().collect();
    let first = lines.iter().position(|line| line.starts_with("Example")).unwrap_or(lines.len());
    let (notes, examples) = lines.split_at(first);
    for (title, lines) in [("NOTES", notes), ("EXAMPLES", examples.get(1..).unwrap_or_default())] {
        if !lines.is_empty() {
            roff.control("SH", [title]);
            lines.chunk_by(|a, b| is_literal(a) == is_literal(b)).for_each(|lines| paragraph(roff, lines));
        }
    }
}

fn is_literal(line: &str) -> bool {
    line.starts_with(' ')
}

/// Lines that are filled; indented ones stay as they stand, and empty ones are the space between paragraphs.
fn paragraph(roff: &mut Roff, lines: &[&str]) {
    if lines.first().is_some_and(|line| is_literal(line)) {
        return literal(roff, lines.iter().copied());
    }
    for lines in lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()) {
        roff.control("PP", []);
        for line in lines {
            roff.text([roman(*line)]);
        }
    }
}

/// Lines as they stand.
fn literal<'a>(roff: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

/// What is the same for every command, on the first page alone.
fn of_all_commands(roff: &mut Roff) {
    let sections: [(&str, &[(&str, &str)]); 3] =
        [("EXIT STATUS", &EXIT_STATUS), ("ENVIRONMENT", &ENVIRONMENT), ("FILES", &FILES)];
    for (title, entries) in sections {
        roff.control("SH", [title]);
        for (name, what) in entries {
            roff.control("TP", []);
            roff.text([bold(*name)]);
            roff.text([roman(*what)]);
        }
    }
}

const EXIT_STATUS: [(&str, &str); 8] = [
    ("0", "Done."),
    ("1", "Failed; a later try may not."),
    ("2", "Wrong usage."),
    ("69", "Refused for good by the server."),
    ("74", "Input or output failed."),
    ("75", "The state directory is in use by another process."),
    ("77", "A login or a permission was refused for good."),
    ("78", "The configuration is wrong."),
];

const ENVIRONMENT: [(&str, &str); 4] = [
    ("COMETAIL_TOKEN", "The access token of commands without a configuration file."),
    ("COMETAIL_LOG", "What is logged, such as debug; it wins over the configuration."),
    ("STATE_DIRECTORY, XDG_STATE_HOME", "Where the state directory is when the configuration does not say."),
    ("NO_COLOR", "No colours on a terminal."),
];

const FILES: [(&str, &str); 2] = [
    ("/etc/cometail/cometail.toml", "The configuration."),
    ("/var/lib/cometail", "The state directory of the daemon as a service."),
];

fn see_also(roff: &mut Roff, above: &[String]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for name in above {
        line.extend([bold(name), roman("(1), ")]);
    }
    line.extend([bold("cometail.toml"), roman("(5)")]);
    roff.text(line);
}

/// The page of the configuration file.
fn configuration() -> io::Result<Vec<u8>> {
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]);
    roff.text([roman("cometail.toml - configuration of cometail")]);
    roff.control("SH", ["DESCRIPTION"]);
    literal(&mut roff, include_str!("../../config/cometail.toml").lines());
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("cometail"), roman("(1), "), bold("cometail-check"), roman("(1)")]);
    let mut text = title("cometail.toml", 5);
    roff.to_writer(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(command: &Command) -> Vec<Command> {
        let below = command.get_subcommands().flat_map(commands);
        std::iter::once(command.clone()).chain(below).collect()
    }

    /// How many words name it, `cometail` aside.
    fn depth(command: &Command) -> usize {
        command.get_bin_name().unwrap_or_default().split(' ').count() - 1
    }

    fn built() -> Command {
        let mut root = Arguments::command().disable_help_subcommand(true);
        root.build();
        root
    }

    #[test]
    fn every_command_has_a_page_with_every_option() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let all = commands(&built());
        assert!(all.len() > 30, "{}", all.len());
        for command in all {
            let name = command.get_display_name().unwrap_or("cometail").to_owned();
            let text = fs::read_to_string(dir.path().join(format!("man1/{name}.1"))).unwrap();
            let text = text.replace(r"\-", "-");
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(text.contains(&format!("--{option}")), "{name} --{option}");
            }
            for below in command.get_subcommands() {
                assert!(text.contains(&format!("{name}-{}(1)", below.get_name())), "{name} {below}");
            }
        }
        let keys = fs::read_to_string(dir.path().join("man5/cometail.toml.5")).unwrap();
        assert!(keys.contains("[connection.acme]"), "{keys}");
    }

    #[test]
    fn every_shell_completes_every_command_and_option() {
        use clap_complete::{Shell, generate};
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            generate(shell, &mut Arguments::command(), "cometail", &mut text);
            let text = String::from_utf8(text).unwrap();
            // clap's completions for fish end at the second level.
            let known = |command: &Command| shell != Shell::Fish || depth(command) < 3;
            for command in commands(&built()).into_iter().filter(known) {
                assert!(text.contains(command.get_name()), "{shell}: {}", command.get_name());
                for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                    let told =
                        if shell == Shell::Fish { format!("-l {option}") } else { format!("--{option}") };
                    assert!(text.contains(&told), "{shell}: {} {told}", command.get_name());
                }
            }
        }
    }

    #[test]
    fn notes_are_filled_and_what_is_indented_stands() {
        let mut roff = Roff::new();
        after_help(&mut roff, "One\ntwo.\n\n  a = 1\n\nThree.\n\nExamples:\n  cometail x \\\n      .y");
        let text = roff.to_roff();
        let wanted = ".SH NOTES\n.PP\nOne\ntwo.\n.nf\n  a = 1\n.fi\n.PP\nThree.\n.SH EXAMPLES\n.nf\n";
        assert!(text.starts_with(wanted), "{text}");
        assert!(text.ends_with("  cometail x \\e\n      .y\n.fi\n") || text.contains("\\\\"), "{text}");
    }
}
