//! The simulator over real sockets.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod control;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod limits;
