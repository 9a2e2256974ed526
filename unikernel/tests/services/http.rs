//! HTTP: what is asked for comes back, however it is cut, and static content is lent.

use lendwire::Config;
use lendwire::tcp::TcpConfig;
use lendwire::time::Span;
use lendwire_nic::{Offloads, Work};
use lendwire_unikernel::apps::HTTP_PORT;
use lendwire_unikernel::http::{ONE_KIBIBYTE, ONE_MEBIBYTE};

use crate::world::{Client, End, OFFLOADS, World, response};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[track_caller]
fn assert_pages(bytes: &mut Vec<u8>, pages: &[&[u8]]) {
    for page in pages {
        let (status, body) = response(bytes);
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(body == *page, "the body of {} bytes differs", page.len());
    }
    assert!(bytes.is_empty(), "{} bytes too many", bytes.len());
}

#[test]
fn requests_in_one_segment_are_answered_in_order() {
    for offloads in OFFLOADS {
        let mut world = World::new(offloads);
        let mut client = world.connect(HTTP_PORT);
        let requests = [get("/1k"), get("/1m"), get("/1k"), get("/1k")].concat();
        let mut got = world.ask(&mut client, &requests);
        assert_pages(&mut got, &[&ONE_KIBIBYTE, &ONE_MEBIBYTE, &ONE_KIBIBYTE, &ONE_KIBIBYTE]);
        assert_eq!(client.ended, None);
        assert_eq!(world.services.responses(), 4);
    }
}

#[test]
fn a_request_may_be_cut_anywhere() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(HTTP_PORT);
    let request = get("/1k");
    for cut in 1..request.len() {
        let (front, back) = request.split_at(cut);
        world.say(&mut client, front.as_bytes());
        assert!(client.got.is_empty(), "answered before it was asked");
        world.say(&mut client, back.as_bytes());
        world.hear(&mut client);
        assert_pages(&mut client.got, &[&ONE_KIBIBYTE]);
    }
    for byte in request.bytes() {
        world.say(&mut client, &[byte]);
    }
    world.hear(&mut client);
    assert_pages(&mut client.got, &[&ONE_KIBIBYTE]);
}

#[test]
fn errors_say_what_is_wrong_and_close_where_the_next_request_is_in_doubt() {
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Padding: 0123456789\r\n".repeat(400));
    for (request, status, ended) in [
        (get("/nowhere").as_str(), "404 Not Found", None),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed", None),
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request", Some(End::Closed)),
        (long.as_str(), "431 Request Header Fields Too Large", Some(End::Closed)),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /1k", "200 OK", Some(End::Closed)),
    ] {
        let mut world = World::new(Offloads::empty());
        let mut client = world.connect(HTTP_PORT);
        let mut got = world.ask(&mut client, request);
        assert_eq!(response(&mut got).0, format!("HTTP/1.1 {status}"));
        assert!(got.is_empty());
        assert_eq!(client.ended, ended, "{status}");
    }
}

#[test]
fn a_client_that_closed_its_side_still_gets_its_answer() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(HTTP_PORT);
    let requests = [get("/1m"), get("/1k")].concat();
    world.client.stack.write(client.handle, requests.as_bytes()).expect("the connection stands");
    world.shut(&client);
    world.hear(&mut client);
    assert_pages(&mut client.got, &[&ONE_MEBIBYTE, &ONE_KIBIBYTE]);
    assert_eq!(client.ended, Some(End::Closed));
}

#[test]
fn the_counters_come_as_json_and_as_a_page() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(HTTP_PORT);
    let mut got = world.ask(&mut client, &get("/stats"));
    let json = String::from_utf8(response(&mut got).1).expect("JSON is UTF-8");
    for part in ["\"connections\": 1,", "\"allocations_after_start\": 0,", "\"tcp_checksum\": 0", "\"nic_no_slot\": 0"]
    {
        assert!(json.contains(part), "{part} is missing in {json}");
    }
    let mut got = world.ask(&mut client, &get("/"));
    assert!(String::from_utf8_lossy(&response(&mut got).1).contains("<td>Connections<td>1"));
}

/// What the server's stack did to payload for one service of `/1m`.
fn work_of_a_service(world: &mut World, client: &mut Client) -> (Work, usize) {
    let before = world.server.stack.work();
    let mut got = world.ask(client, &get("/1m"));
    let head = got.len() - ONE_MEBIBYTE.len();
    assert_pages(&mut got, &[&ONE_MEBIBYTE]);
    let after = world.server.stack.work();
    let work = Work {
        copied: after.copied - before.copied,
        summed: after.summed - before.summed,
        verified: after.verified - before.verified,
    };
    (work, head)
}

#[test]
fn a_megabyte_is_lent_and_summed_at_most_once() {
    for offloads in OFFLOADS {
        let mut world = World::new(offloads);
        let mut client = world.connect(HTTP_PORT);
        let (first, head) = work_of_a_service(&mut world, &mut client);
        assert_eq!(first.copied, head as u64);
        let completes = offloads.contains(Offloads::TX_CHECKSUM);
        assert_eq!(first.summed == 0, completes, "{first:?}");
        let (second, head) = work_of_a_service(&mut world, &mut client);
        assert_eq!((second.copied, second.summed), (head as u64, 0));
        // Another connection, another alignment of nothing: the same sums serve it.
        let mut another = world.connect(HTTP_PORT);
        let (third, head) = work_of_a_service(&mut world, &mut another);
        assert_eq!((third.copied, third.summed), (head as u64, 0));
    }
}

#[test]
fn a_client_that_does_not_read_stops_the_server_from_reading() {
    let mut world = World::new(Offloads::empty());
    let mut client = world.connect(HTTP_PORT);
    // More answers than may be queued.
    let asked = 700;
    let requests = get("/1k").repeat(asked);
    world.say_without_listening(&client, requests.as_bytes());
    let answered = world.services.responses() as usize;
    assert!((1..asked).contains(&answered), "{answered} answers are queued for one who does not read");
    // Once the client reads, it gets every answer, if after a retransmission that has become rare.
    for _ in 0..20 {
        world.hear(&mut client);
        world.pass(Span::from_secs(5));
    }
    for _ in 0..asked {
        let (status, body) = response(&mut client.got);
        assert!(status == "HTTP/1.1 200 OK" && body == ONE_KIBIBYTE);
    }
    assert!(client.got.is_empty());
    assert_eq!(world.services.responses(), asked as u64);
}

#[test]
fn sixty_four_clients_at_once_are_all_served() {
    let mut world = World::new(Offloads::empty());
    let mut clients: Vec<Client> = (0..64).map(|_| world.connecting(HTTP_PORT)).collect();
    world.settle();
    for client in &mut clients {
        let request = get("/1m");
        let taken = world.client.stack.write(client.handle, request.as_bytes());
        assert_eq!(taken, Ok(request.len()));
    }
    for _ in 0..100_000 {
        world.pass(Span::from_millis(1));
        clients.iter_mut().for_each(|client| world.listen(client));
        if clients.iter().all(|client| client.got.len() > ONE_MEBIBYTE.len()) {
            break;
        }
    }
    for client in &mut clients {
        assert_pages(&mut client.got, &[&ONE_MEBIBYTE]);
    }
    assert_eq!(world.server.stack.tcp_statistics().resets, 0);
}

#[test]
fn a_narrow_client_gets_its_answer_slowly() {
    // Two slots of memory: a window of some 2500 bytes.
    let tcp = TcpConfig { receive_budget: 4096, ..TcpConfig::DEFAULT };
    let mut world = World::with(Offloads::empty(), Config { tcp, ..Config::new([0; 16]) });
    let mut client = world.connect(HTTP_PORT);
    let mut got = world.ask(&mut client, &[get("/1m"), get("/1k")].concat());
    assert_pages(&mut got, &[&ONE_MEBIBYTE, &ONE_KIBIBYTE]);
}
