//! An SMTP sink on loopback that accepts every email and sends none.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::mailbox::Envelope;
use crate::shell::Twin;
use crate::stopping::stopped;

const CONNECTIONS_MAX: usize = 64;
const EMAIL_BYTES_MAX: usize = 1024 * 1024;
const LINE_BYTES_MAX: u64 = 4096;
const RECIPIENTS_MAX: usize = 100;
const COMMANDS_MAX: usize = 10_000;
const IDLE_MAX: Duration = Duration::from_mins(1);

/// Accepts emails until `stop` is set.
pub(crate) async fn listen(
    twin: Arc<Twin>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        let Ok((mut stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            let _ = stream.write_all(b"421 Too many connections\r\n").await;
            continue;
        };
        let (twin, mut stop) = (Arc::clone(&twin), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                // A broken connection loses only its own email.
                _ = Session::new(twin, stream).run() => {}
                () = stopped(&mut stop) => {}
            }
            drop(permit);
        });
    }
}

struct Session {
    twin: Arc<Twin>,
    stream: BufReader<TcpStream>,
    envelope: Option<Envelope>,
}

/// What the session does after responding to a command.
enum Then {
    Continue,
    Leave,
}

impl Session {
    fn new(twin: Arc<Twin>, stream: TcpStream) -> Self {
        Self {
            twin,
            stream: BufReader::new(stream),
            envelope: None,
        }
    }

    async fn run(mut self) -> std::io::Result<()> {
        self.answer("220 twin ESMTP, nothing leaves this machine")
            .await?;
        for _ in 0..COMMANDS_MAX {
            let Some(line) = self.line().await? else {
                return Ok(());
            };
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            if let Then::Leave = self.command(&line).await? {
                return Ok(());
            }
        }
        self.answer("421 Too many commands").await
    }

    async fn command(&mut self, line: &str) -> std::io::Result<Then> {
        let upper = line.to_ascii_uppercase();
        let verb = upper.split([' ', ':']).next().unwrap_or_default();
        match verb {
            "EHLO" => {
                let hello = format!(
                    "250-twin\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {EMAIL_BYTES_MAX}"
                );
                self.answer(&hello).await?;
            }
            "HELO" => self.answer("250 twin").await?,
            "MAIL" => self.mail_from(line).await?,
            "RCPT" => self.rcpt_to(line).await?,
            "DATA" => return self.data().await,
            "RSET" => {
                self.envelope = None;
                self.answer("250 OK").await?;
            }
            "NOOP" => self.answer("250 OK").await?,
            "VRFY" => {
                self.answer("252 Cannot VRFY user, but will accept the message")
                    .await?;
            }
            "QUIT" => {
                self.answer("221 Bye").await?;
                return Ok(Then::Leave);
            }
            _ => self.answer("502 Command not implemented").await?,
        }
        Ok(Then::Continue)
    }

    async fn mail_from(&mut self, line: &str) -> std::io::Result<()> {
        let Some(from) = address_in(line, "MAIL FROM:") else {
            return self.answer("501 Syntax: MAIL FROM:<address>").await;
        };
        self.envelope = Some(Envelope {
            from,
            to: Vec::new(),
        });
        self.answer("250 OK").await
    }

    async fn rcpt_to(&mut self, line: &str) -> std::io::Result<()> {
        let Some(to) = address_in(line, "RCPT TO:").filter(|to| !to.is_empty()) else {
            return self.answer("501 Syntax: RCPT TO:<address>").await;
        };
        let said = match &mut self.envelope {
            None => "503 Send MAIL first",
            Some(envelope) if envelope.to.len() >= RECIPIENTS_MAX => "452 Too many recipients",
            Some(envelope) => {
                envelope.to.push(to);
                "250 OK"
            }
        };
        self.answer(said).await
    }

    async fn data(&mut self) -> std::io::Result<Then> {
        if self
            .envelope
            .as_ref()
            .is_none_or(|envelope| envelope.to.is_empty())
        {
            self.answer("503 Send RCPT first").await?;
            return Ok(Then::Continue);
        }
        self.answer("354 End data with a line that contains only a dot")
            .await?;
        let mut raw = Vec::new();
        let mut is_too_large = false;
        let mut starts_line = true;
        loop {
            let Some(line) = self.line().await? else {
                return Ok(Then::Leave);
            };
            if starts_line && matches!(line.as_slice(), b".\r\n" | b".\n") {
                break;
            }
            let ends_line = line.ends_with(b"\n");
            let stuffed = if starts_line {
                line.strip_prefix(b".")
            } else {
                None
            };
            let line = stuffed.unwrap_or(&line);
            starts_line = ends_line;
            is_too_large |= raw.len() + line.len() > EMAIL_BYTES_MAX;
            if !is_too_large {
                raw.extend_from_slice(line);
            }
        }
        let envelope = self.envelope.take().unwrap_or_default();
        if is_too_large {
            self.answer("552 The message is too large").await?;
        } else {
            self.twin.receive_email(&envelope, &raw);
            self.answer("250 Accepted").await?;
        }
        Ok(Then::Continue)
    }

    /// Reads the next line with its line ending; a long line arrives in pieces. Returns `None` when
    /// the client has disconnected.
    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(LINE_BYTES_MAX);
        let read = tokio::time::timeout(IDLE_MAX, bounded.read_until(b'\n', &mut line));
        let count = read.await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        Ok((count > 0).then_some(line))
    }

    async fn answer(&mut self, text: &str) -> std::io::Result<()> {
        self.stream
            .write_all(format!("{text}\r\n").as_bytes())
            .await?;
        self.stream.flush().await
    }
}

/// The address after `MAIL FROM:` or `RCPT TO:`, without its brackets and parameters.
fn address_in(line: &str, prefix: &str) -> Option<String> {
    let head = line.get(..prefix.len())?;
    if !head.eq_ignore_ascii_case(prefix) {
        return None;
    }
    let rest = line[prefix.len()..].trim_start();
    match rest.strip_prefix('<') {
        Some(bracketed) => Some(bracketed.split_once('>')?.0.trim().to_owned()),
        None => Some(rest.split_whitespace().next()?.to_owned()),
    }
}
