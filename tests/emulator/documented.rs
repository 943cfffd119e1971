//! docs/emulator.md: its commands and its faults do what the page says, and its table names every call.

use serde_json::{Value, json};

use super::client::Client;
use super::{control, start_default};

const PAGE: &str = include_str!("../../docs/emulator.md");

/// The cells of the rows of the table under this head.
fn rows(head: &str) -> Vec<Vec<&'static str>> {
    let table = PAGE.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

fn code(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn every_command_of_the_page_works() {
    let address = start_default().await;
    let commands = PAGE.lines().filter_map(|line| line.strip_prefix("$ curl "));
    let mut ran = 0;
    for command in commands {
        let body = command.split('\'').nth(1);
        let path = command.split("127.0.0.1:8080").nth(1).unwrap();
        let said = command.strip_prefix("-X ").and_then(|rest| rest.split(' ').next());
        let method = said.unwrap_or(if body.is_some() { "POST" } else { "GET" });
        let mut client = Client::new(address, "").await;
        let response = client.request(method, path, body.unwrap_or_default()).await;
        assert_eq!(response.status, 200, "{command}: {}", response.body);
        ran += 1;
    }
    assert!(ran > 10, "{ran}");
}

#[tokio::test]
async fn every_fault_of_the_page_is_one_and_every_member_is_on_the_page() {
    let address = start_default().await;
    let rows = rows("| member |");
    for row in &rows {
        let fault: Value = serde_json::from_str(code(row[1])).unwrap();
        control(address, "faults", fault).await;
    }
    let listed = Client::new(address, "").await.request("GET", "/_emulator/faults", "").await.json();
    assert_eq!(listed["faults"].as_array().unwrap().len(), rows.len());
    let wrong = Client::new(address, "").await.request("POST", "/_emulator/faults", r#"{"x":1}"#).await;
    let known = wrong.json()["error"].as_str().unwrap().to_owned();
    let members: Vec<_> = known.split('`').skip(3).step_by(2).collect();
    assert!(members.len() > 15, "{known}");
    for member in members {
        let row = rows.iter().find(|row| row[0].contains(&format!("`{member}`")));
        let row = row.unwrap_or_else(|| panic!("{member} is not on the page"));
        assert!(code(row[1]).contains(&format!("\"{member}\"")) || row[0].contains(','), "{row:?}");
    }
}

#[tokio::test]
async fn every_call_of_the_page_exists() {
    let address = start_default().await;
    let calls = rows("| call |");
    assert!(calls.len() > 15);
    for row in calls {
        let (method, path) = code(row[0]).split_once(' ').unwrap();
        let fault = control(address, "faults", json!({"rate": 1.0, "delay": 0})).await;
        let path = path.replace("ID", &fault["id"].to_string());
        let response = Client::new(address, "").await.request(method, &path, "x").await;
        assert_ne!(response.status, 404, "{method} {path}: {}", response.body);
    }
}
