//! The page: files that are part of the program.

use http::StatusCode;

use super::access::Access;
use super::reply::{self, Reply};

/// One file of the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

static FILES: [File; 11] = [
    File { path: "/", kind: HTML, text: include_str!("page/index.html") },
    File { path: "/app.js", kind: SCRIPT, text: include_str!("page/app.js") },
    File { path: "/cards.js", kind: SCRIPT, text: include_str!("page/cards.js") },
    File { path: "/chart.js", kind: SCRIPT, text: include_str!("page/chart.js") },
    File { path: "/dom.js", kind: SCRIPT, text: include_str!("page/dom.js") },
    File { path: "/events.js", kind: SCRIPT, text: include_str!("page/events.js") },
    File { path: "/model.js", kind: SCRIPT, text: include_str!("page/model.js") },
    File { path: "/stream.js", kind: SCRIPT, text: include_str!("page/stream.js") },
    File { path: "/words.js", kind: SCRIPT, text: include_str!("page/words.js") },
    File { path: "/style.css", kind: STYLE, text: include_str!("page/style.css") },
    File { path: "/icon.svg", kind: PICTURE, text: include_str!("page/icon.svg") },
];

/// What stands in the page where its token goes,
const TOKEN: &str = "{{token}}";
/// and where it says whom it needs: `bearer`, the token of the configuration, or `page`, its own.
const AUTH: &str = "{{auth}}";

/// The file at a path.
pub(super) fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

/// A file as it is sent.
pub(super) fn show(file: &File, access: &Access) -> Reply {
    let auth = if access.wants_token() { "bearer" } else { "page" };
    let text = file.text.replace(TOKEN, access.page_token()).replace(AUTH, auth);
    reply::of(StatusCode::OK, file.kind, text)
}
