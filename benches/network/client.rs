//! Who asks: bare tokio on a thread of its own, the same for all servers.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use crate::servers::Server;

/// What is sent in a round trip.
const MESSAGE: [u8; 64] = [7; 64];

/// What is written of a stream at once.
static PIECE: [u8; 64 * 1024] = [7; 64 * 1024];

pub(crate) struct Client {
    runtime: Runtime,
}

impl Client {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { runtime: Builder::new_current_thread().enable_all().build()? })
    }

    /// Makes `count` round trips in all, over so many connections at the same time.
    pub(crate) fn round_trips(
        &self,
        server: &Server,
        connections: u32,
        count: u32,
    ) -> Result<Duration> {
        self.runtime.block_on(async {
            let connecting = (0..connections).map(|_| connect(server));
            let mut streams = try_join_all(connecting).await?;
            let started = Instant::now();
            let trips = streams.iter_mut().map(|stream| async {
                for _ in 0..count / connections {
                    round_trip(stream).await?;
                }
                anyhow::Ok(())
            });
            try_join_all(trips).await?;
            Ok(started.elapsed())
        })
    }

    /// Sends a stream of so many bytes, and receives it back meanwhile.
    pub(crate) fn stream(&self, server: &Server, length: u64) -> Result<Duration> {
        self.runtime.block_on(async {
            let (mut reader, mut writer) = connect(server).await?.into_split();
            let started = Instant::now();
            let sending = async {
                let mut left = length;
                while left > 0 {
                    let size = left.min(PIECE.len() as u64);
                    writer.write_all(&PIECE[..usize::try_from(size)?]).await?;
                    left -= size;
                }
                anyhow::Ok(())
            };
            let receiving = async {
                let (mut left, mut buffer) = (length, vec![0; PIECE.len()]);
                while left > 0 {
                    let size = reader.read(&mut buffer).await?;
                    anyhow::ensure!(size > 0, "the server has closed the connection");
                    left -= size as u64;
                }
                Ok(())
            };
            tokio::try_join!(sending, receiving)?;
            Ok(started.elapsed())
        })
    }

    /// Makes connections, one after the other, each for one round trip.
    pub(crate) fn connections(&self, server: &Server, count: u32) -> Result<Duration> {
        self.runtime.block_on(async {
            let started = Instant::now();
            for _ in 0..count {
                let mut stream = connect(server).await?;
                round_trip(&mut stream).await?;
                // With a reset, for else the many closed ones would use up the ports.
                stream.set_zero_linger()?;
            }
            Ok(started.elapsed())
        })
    }
}

async fn connect(server: &Server) -> Result<TcpStream> {
    let stream = TcpStream::connect(server.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn round_trip(stream: &mut TcpStream) -> Result<()> {
    let mut answer = [0; MESSAGE.len()];
    stream.write_all(&MESSAGE).await?;
    stream.read_exact(&mut answer).await?;
    Ok(())
}
