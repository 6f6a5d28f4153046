/** Sizes of what a frame is made of, in bytes. */
export const ETHERNET_BYTES = 14;
/** IEEE 802.1Q: the tag's type takes the place of the frame's, which follows it. */
export const VLAN_BYTES = 4;
export const IPV4_BYTES = 20;
export const IPV6_BYTES = 40;
export const UDP_BYTES = 8;

/** A piece of the memory that is shared with the kernel: room for one frame. */
export const CHUNK_BYTES = 2048;
/** The kernel leaves so much before a frame (XDP_PACKET_HEADROOM). */
export const HEADROOM_BYTES = 256;
/** Longest frame that is taken: Ethernet with a tag and 1500 bytes. Longer ones would not fit a chunk, and go to the kernel. */
export const LONGEST_FRAME = 1518;
/** Where an answer's payload begins in its chunk; its headers stand before it. A multiple of 4, as the chain wants it. */
export const PAYLOAD_AT = 128;
