import LedgerCore

/// A hub event on its own, signed by the hub's key: as an agent is told it, keeps it, and gives it
/// back to a hub that lost its log.
package struct SignedHubEvent: Hashable, Sendable {
    package let hub: StreamTag
    package let event: HubEvent
    /// As signed. A later version may have put more into it than this one reads.
    package let bytes: [UInt8]
    package let signature: Signature

    package init(_ event: HubEvent, hub: StreamTag, signer: some Signer) {
        self.hub = hub
        self.event = event
        bytes = event.signedBytes
        signature = signer.sign(SignedHubEvent.signedContent(hub, bytes))
    }

    /// What was signed, read again.
    package init(hub: StreamTag, bytes: [UInt8], signature: Signature) throws(WireError) {
        event = try ByteReader.decode(bytes) { (reader) throws(WireError) in
            let sequence: UInt64 = try reader.fixed()
            let time = HybridTimestamp(rawValue: try reader.fixed())
            let kind = try reader.u8()
            let content = try HubEvent.Content(from: &reader, kind: kind)
            try reader.expectEnd()
            return HubEvent(sequence: sequence, time: time, content: content)
        }
        self.hub = hub
        self.bytes = bytes
        self.signature = signature
    }

    package func isSigned(by key: PublicKey, _ verifier: some SignatureVerifier) -> Bool {
        verifier.isValid(signature, for: SignedHubEvent.signedContent(hub, bytes), by: key)
    }

    /// The same for the same event of the same hub, whoever has it.
    package func digest(_ hasher: some ContentHasher) -> Hash256 {
        hasher.sha256([], SignedHubEvent.signedContent(hub, bytes))
    }

    fileprivate static func signedContent(_ hub: StreamTag, _ bytes: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(SignatureDomain.hubEvent.bytes)
        writer.fixed(hub.rawValue)
        writer.raw(bytes)
        return writer.bytes
    }

    func encode(into writer: inout ByteWriter) {
        writer.varint(UInt64(bytes.count))
        writer.raw(bytes)
        writer.raw(signature.bytes)
    }

    init(from reader: inout ByteReader, hub: StreamTag) throws(WireError) {
        let length = try reader.length("a hub event", limit: HubEvent.byteCountMax)
        let bytes = try reader.raw(length)
        let signature = Signature(bytes: try reader.raw(Signature.byteCount))
        self = try SignedHubEvent(hub: hub, bytes: bytes, signature: signature)
    }
}

extension HubEvent {
    fileprivate var signedBytes: [UInt8] {
        var writer = ByteWriter()
        writer.fixed(sequence)
        writer.fixed(time.rawValue)
        writer.u8(content.fact.kind)
        content.encode(into: &writer)
        return writer.bytes
    }

    /// As of the event that an agent has been told, without its signature.
    package func digest(of hub: StreamTag, _ hasher: some ContentHasher) -> Hash256 {
        hasher.sha256([], SignedHubEvent.signedContent(hub, signedBytes))
    }
}
