//! The endpoint: it answers each request at once and keeps a book. A thread for each connection, blocking calls.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use crate::book::Book;
use crate::shared::listener::Listener;
use crate::shared::messages::Messages;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Listens until what is given back is dropped.
pub(crate) fn start(book: &Arc<Book>) -> io::Result<Listener> {
    let book = Arc::clone(book);
    Listener::start(move |stream| serve(stream, &book))
}

fn serve(mut stream: TcpStream, book: &Book) -> io::Result<()> {
    let mut requests = Messages::new(stream.try_clone()?);
    while let Some(request) = requests.next()? {
        book.note(request);
        stream.write_all(ANSWER)?;
    }
    Ok(())
}
