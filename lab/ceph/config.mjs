// The configuration of a small cluster.
import { join } from 'node:path'

/** A store of this size holds the lab's image many times over. */
const STORE_BYTES = 1 << 30
const OSD_MEMORY_BYTES = 939_524_096

/**
 * ceph.conf: short times, so that a failure is noticed within seconds; three copies, two of which have to be there; no
 * authentication, since nobody else can reach the network.
 */
export function cephConf({ folder, fsid, mons, osds }) {
  // Brackets around each mon: those around all of them would be one mon with three addresses.
  const monHost = mons.map(({ address }) => `[${address}]`).join(',')
  return `[global]
fsid = ${fsid}
mon_host = ${monHost}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = ${join(folder, 'keyring')}
run_dir = ${folder}
admin_socket = ${folder}/$name.asok
log_file = ${folder}/$name.log
pid_file =
crash_dir = ${folder}
ms_bind_ipv6 = false
ms_bind_msgr1 = false
osd_crush_chooseleaf_type = 0
osd_heartbeat_grace = 4
osd_pool_default_size = 3
osd_pool_default_min_size = 2
osd_pool_default_pg_autoscale_mode = off
[mon]
mon_data = ${folder}/mon.$id
mon_data_avail_warn = 1
mon_data_avail_crit = 1
mon_election_timeout = 2
mon_osd_min_down_reporters = 2
mon_osd_reporter_subtree_level = osd
mon_osd_adjust_heartbeat_grace = false
mon_osd_down_out_interval = 600
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
[osd]
osd_data = ${folder}/osd.$id
osd_objectstore = bluestore
bluestore_block_size = ${STORE_BYTES}
bluestore_block_create = true
osd_memory_target = ${OSD_MEMORY_BYTES}
osd_heartbeat_interval = 1
[client]
rbd_cache = false
admin_socket =
log_file = ${folder}/client.$pid.log
${osds.map(({ name }) => `[${name}]\nkeyring = ${join(folder, name, 'keyring')}\n`).join('')}`
}
