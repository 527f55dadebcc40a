import type { Json } from './json.ts';

/** RFC 8785 (JSON Canonicalization Scheme) text of a JSON value. */
export declare function canonicalize(value: Json): string;

/** Lower-case hex SHA-256 of the RFC 8785 bytes of a raw wire value. */
export declare function sha256OfJson(value: Json): string;

/** Lower-case hex SHA-256 of UTF-8 text or bytes. */
export declare function sha256Hex(value: string | Uint8Array): string;
