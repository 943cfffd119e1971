//! Which parts of the crate a source file names: in `use` trees and in the middle of code, from `crate`, from
//! the crate's own name and by `super`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

type Tokens<'t> = &'t [(usize, &'t str)];

/// Every path of `code` that starts at the crate, with its line; the crate's name is left out.
pub(super) fn crate_paths(relative: &str, code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    // A module's own folders and name, then the braces that were open when each inline module began.
    // `NAME_tests.rs` is the `tests` module of `NAME.rs`, one deeper than its folder says.
    let aside = usize::from(relative.ends_with("_tests.rs") || relative.ends_with("_tests/mod.rs"));
    let depth = relative.trim_end_matches("/mod.rs").split('/').count() + aside;
    let mut inline: Vec<usize> = Vec::new();
    let mut braces = 0;
    let tokens = tokens(code);
    let tokens: Vec<_> = tokens.iter().map(|(line, token)| (*line, token.as_str())).collect();
    let mut rest = tokens.as_slice();
    let mut previous = "";
    while let [(line, token), after @ ..] = rest {
        rest = after;
        match *token {
            "crate" | "cometail" if previous != "::" => {
                if let [(_, "::"), path @ ..] = rest {
                    collect_tree(path, "", *line, &mut paths);
                }
            }
            "super" if previous != "::" => {
                let (climbed, path) = climb(rest);
                if climbed == depth + inline.len() {
                    collect_tree(path, "", *line, &mut paths);
                }
            }
            "mod" if matches!(rest, [_, (_, "{"), ..]) => inline.push(braces),
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
            }
            _ => {}
        }
        previous = token;
    }
    paths
}

/// How many modules a path climbs whose first `super` has been read, and what follows the last.
fn climb(mut rest: Tokens<'_>) -> (usize, Tokens<'_>) {
    let mut climbed = 1;
    while let [(_, "::"), (_, "super"), after @ ..] = rest {
        climbed += 1;
        rest = after;
    }
    match rest {
        [(_, "::"), path @ ..] => (climbed, path),
        _ => (0, rest),
    }
}

/// Adds each path of the use tree (or the plain path) at the start of `rest`; returns what follows it.
fn collect_tree<'t>(
    mut rest: Tokens<'t>,
    prefix: &str,
    line: usize,
    paths: &mut Vec<(usize, String)>,
) -> Tokens<'t> {
    let mut path = prefix.to_owned();
    while let [(_, token), after @ ..] = rest {
        match *token {
            "{" => return collect_group(after, &path, line, paths),
            "self" => rest = after,
            word if word == "*" || word.starts_with(|first: char| first.is_alphabetic() || first == '_') => {
                path = if path.is_empty() { word.to_owned() } else { format!("{path}::{word}") };
                rest = after;
            }
            _ => break,
        }
        match rest {
            [(_, "::"), after @ ..] => rest = after,
            _ => break,
        }
    }
    paths.push((line, path));
    rest
}

fn collect_group<'t>(
    mut rest: Tokens<'t>,
    prefix: &str,
    line: usize,
    paths: &mut Vec<(usize, String)>,
) -> Tokens<'t> {
    loop {
        match rest {
            [] => return rest,
            [(_, "}"), after @ ..] => return after,
            // A comma, or an `as` with the new name.
            [(_, ","), after @ ..] | [(_, "as"), _, after @ ..] => rest = after,
            _ => {
                let after = collect_tree(rest, prefix, line, paths);
                // Whatever is no part of a use tree is stepped over, so that the loop ends.
                rest = if after.len() == rest.len() { after.get(1..).unwrap_or_default() } else { after };
            }
        }
    }
}

/// Words, `::`, braces and other signs of `code` with their lines (from 1); no comment, no literal's text.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let stream = code.parse().unwrap_or_else(|error| panic!("no Rust: {error}: {code}"));
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    tokens
}

fn flatten(stream: TokenStream, tokens: &mut Vec<(usize, String)>) {
    let mut joint = false;
    for tree in stream {
        let line = tree.span().start().line;
        let was_joint = joint;
        joint = false;
        match tree {
            TokenTree::Group(group) => {
                let is_brace = group.delimiter() == Delimiter::Brace;
                tokens.push((line, if is_brace { "{" } else { "(" }.to_owned()));
                flatten(group.stream(), tokens);
                tokens.push((line, if is_brace { "}" } else { ")" }.to_owned()));
            }
            TokenTree::Punct(sign) => {
                joint = sign.as_char() == ':' && sign.spacing() == Spacing::Joint;
                match tokens.last_mut() {
                    Some((_, last)) if was_joint && sign.as_char() == ':' => last.push(':'),
                    _ => tokens.push((line, sign.to_string())),
                }
            }
            TokenTree::Ident(word) => tokens.push((line, word.to_string())),
            TokenTree::Literal(_) => tokens.push((line, "literal".to_owned())),
        }
    }
}
