//! Data NFTs, datatokens and orders.
