//! `[admin]`: where the admin server listens and whom it answers.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::load::Environment;
use super::reader::{Node, Table, shown};
use super::secrets::{self, Shape};
use crate::admin::{Config, Listen};
use crate::secret::Secret;

/// The shortest token, in characters: it must not be guessed.
const TOKEN_MIN: usize = 16;
const HOSTS_MAX: usize = 64;
const HOST_MAX: usize = 255;
/// The longest path of a unix socket, in bytes: what Linux has room for, less what stands there until it is bound.
const PATH_MAX: usize = 92;

const ADDRESS: &str = "an address such as \"127.0.0.1:9464\" or \"unix:/run/cometail/admin.sock\"";
const HOST: &str = "HOST or HOST:PORT, such as \"cometail.internal:9464\"";

/// Reads the table; `None` where a problem is noted.
pub(super) fn read(mut table: Table<'_>, environment: Environment<'_>) -> Option<Config> {
    let node = table.need("listen", ADDRESS);
    let listen = node.as_ref().and_then(listen);
    let (token, has_token) = token(&mut table, environment);
    let hosts = table.get("hosts").map(|node| hosts(&node)).unwrap_or_default();
    table.end();
    if let (Some(node), Some(listen), false) = (&node, &listen, has_token) {
        check_reach(node, listen);
    }
    let token = if has_token { Some(token?) } else { None };
    Some(Config { listen: listen?, token, hosts })
}

/// Without a token it is for this machine alone.
fn check_reach(node: &Node<'_>, listen: &Listen) {
    if !listen.is_local() {
        let found = format!("{} without a token", shown(&listen.to_string()));
        let hint = "add token_file = \"PATH\", or listen on 127.0.0.1 or a unix socket";
        node.report(&found, "a token where others can connect", Some(hint));
    }
}

fn listen(node: &Node<'_>) -> Option<Listen> {
    let text = node.text(ADDRESS)?;
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(node, path);
    }
    let hint = match text.parse::<SocketAddr>() {
        Ok(address) => return Some(Listen::Tcp(address)),
        Err(_) if text.starts_with("localhost:") => "write 127.0.0.1 for localhost",
        Err(_) if text.starts_with('/') => "write unix: before the path of a socket",
        Err(_) if text.contains("://") => "an address is no URL",
        Err(_) if text.starts_with(':') => "0.0.0.0 or [::] is every address of this machine",
        Err(_) => "IP:PORT, or unix:PATH",
    };
    node.report(&shown(text), ADDRESS, Some(hint));
    None
}

fn socket(node: &Node<'_>, path: &str) -> Option<Listen> {
    let hint = if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        "the path after unix: begins with / and names a file"
    } else if path.len() > PATH_MAX {
        "the path of a socket has at most 92 bytes"
    } else if !cfg!(unix) {
        "this system has no unix sockets"
    } else {
        return Some(Listen::Unix(PathBuf::from(path)));
    };
    node.report(&shown(path), ADDRESS, Some(hint));
    None
}

/// `token_file`, or `token` as other secrets are given; and whether one of them is there.
fn token(table: &mut Table<'_>, environment: Environment<'_>) -> (Option<Secret<String>>, bool) {
    let (file, token) = (table.get("token_file"), table.get("token"));
    if let (Some(file), Some(_)) = (&file, &token) {
        file.report_key("both token_file and token", "one of them", None);
        return (None, true);
    }
    let is_file = file.is_some();
    let Some(node) = file.or(token) else { return (None, false) };
    let secret = if is_file {
        secrets::from_file(&node, Shape::Line)
    } else {
        let wanted = "{ file = \"PATH\" } or { env = \"VARIABLE\" }";
        node.table(wanted).and_then(|table| secrets::source(table, environment, Shape::Line))
    };
    let secret = secret.map(|(_, secret)| secret).filter(|secret| is_token(&node, secret.expose()));
    (secret, true)
}

/// It travels in a header, and is all that stands between the daemon and whoever can connect.
fn is_token(node: &Node<'_>, token: &str) -> bool {
    let fits = token.len() >= TOKEN_MIN && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        let wanted = "a token of at least 16 printable ASCII characters without spaces";
        node.report("another token", wanted, Some("openssl rand -hex 32 makes one"));
    }
    fits
}

fn hosts(node: &Node<'_>) -> Vec<String> {
    let wanted = "an array of HOST or HOST:PORT";
    let Some(items) = node.list(wanted) else { return Vec::new() };
    if items.len() > HOSTS_MAX {
        node.report(&format!("{} of them", items.len()), "at most 64", None);
    }
    items.iter().take(HOSTS_MAX).filter_map(host).collect()
}

fn host(node: &Node<'_>) -> Option<String> {
    let text = node.text(HOST)?;
    let authority = text.parse::<::http::uri::Authority>();
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let good = authority.is_ok_and(|authority| {
        let rest = text.get(authority.host().len()..).unwrap_or_default();
        !authority.host().is_empty() && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
    });
    if good && text.len() <= HOST_MAX && !text.contains(['*', '@']) {
        return Some(text.to_owned());
    }
    let hint = if text.contains("://") {
        "leave out the scheme"
    } else if text.contains('*') {
        "there are no wildcards here: a name that anybody can take would undo the check"
    } else {
        "as a browser shows it, with the port"
    };
    node.report(&shown(text), HOST, Some(hint));
    None
}
