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

static FILES: [File; 3] = [
    File { path: "/", kind: "text/html; charset=utf-8", text: include_str!("page/index.html") },
    File { path: "/app.js", kind: "text/javascript; charset=utf-8", text: include_str!("page/app.js") },
    File { path: "/style.css", kind: "text/css; charset=utf-8", text: include_str!("page/style.css") },
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
