// SPDX-License-Identifier: MIT
declare module "*.css";
/** The address of that file as a worker of its own: build.mjs. */
declare module "worker:*" {
	const address: string;
	export default address;
}
