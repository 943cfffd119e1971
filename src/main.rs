//! The command line of `cometail`.

fn main() -> std::process::ExitCode {
    cometail::cli::main()
}
