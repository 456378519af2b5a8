import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';

/** Gossip.Read: a cluster of one, whose only member is the leader. */
export function readGossip(instanceId: string, address: (reachedAs: string) => { host: string; port: number }, now: () => number) {
  const bits = Buffer.from(instanceId.replaceAll('-', ''), 'hex');
  return (call: ServerUnaryCall<unknown, gossip.ClusterInfo>, callback: sendUnaryData<gossip.ClusterInfo>): void => {
    const id = new shared.UUID();
    const structured = new shared.UUID.Structured();
    structured.setMostSignificantBits(bits.readBigInt64BE(0).toString());
    structured.setLeastSignificantBits(bits.readBigInt64BE(8).toString());
    id.setStructured(structured);
    const endPoint = new gossip.EndPoint();
    const { host, port } = address(call.getHost());
    endPoint.setAddress(host);
    endPoint.setPort(port);
    const member = new gossip.MemberInfo();
    member.setInstanceId(id);
    member.setTimeStamp(`${now()}0000`);
    member.setState(gossip.MemberInfo.VNodeState.LEADER);
    member.setIsAlive(true);
    member.setHttpEndPoint(endPoint);
    const answer = new gossip.ClusterInfo();
    answer.addMembers(member);
    callback(null, answer);
  };
}
