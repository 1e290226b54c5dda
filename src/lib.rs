//! runstate: a state engine that you link or embed.
