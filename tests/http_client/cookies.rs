//! Cookies over the wire; their rules are tested with the jar itself.

use std::sync::Arc;

use cometail::http::Jar;

use crate::support::{Server, client, header, post, with_headers};

#[tokio::test]
async fn cookies_come_back_on_every_lane_and_after_a_restart() {
    let cookies = "Set-Cookie: sid=hush; Path=/cometd; HttpOnly\r\n\
                   Set-Cookie: safe=1; Secure; Path=/cometd\r\n\
                   Set-Cookie: foreign=1; Domain=acme.example\r\n\
                   Set-Cookie: gone=1; Max-Age=0\r\n\
                   Set-Cookie: bad=\u{1}\u{fe}; Path=/cometd\r\n";
    let server = Server::saying(with_headers("200 OK", cookies, "[]")).await;
    let jar = Arc::new(Jar::new());
    let mut first = client().with_jar(Arc::clone(&jar));
    let mut second = first.lane();
    // hyper refuses the control character: without it the response is fine.
    assert!(post(&mut first, &server.url("/cometd/61.0")).await.is_err());
    let cookies = cookies.replace('\u{1}', "");
    let server = Server::saying(with_headers("200 OK", &cookies, "[]")).await;
    post(&mut first, &server.url("/cometd/61.0")).await.unwrap();
    assert!(jar.changed());
    post(&mut second, &server.url("/cometd/61.0")).await.unwrap();
    post(&mut second, &server.url("/other")).await.unwrap();
    let again = Arc::new(Jar::load(jar.to_json().expose()).unwrap());
    post(&mut client().with_jar(again), &server.url("/cometd/61.0")).await.unwrap();
    post(&mut client(), &server.url("/cometd/61.0")).await.unwrap();
    let requests = server.requests();
    let sent: Vec<_> = requests.iter().map(|request| header(request, "cookie")).collect();
    // Loopback counts as secure, as it does in browsers.
    let all = Some("bad=\u{fe}; safe=1; sid=hush");
    assert_eq!(sent, [None, all, None, all, None]);
}
