// SPDX-License-Identifier: MIT
//
// What the engine draws. Nodes and links are numbers into arrays; how they look is said by classes,
// so that a page colours them by what it is about.

export type Mode = "geo" | "graph";
export type Shape = "circle" | "square" | "diamond" | "triangle" | "dot";

export interface NodeClass {
	color: string;
	shape: Shape;
	/** It is an observer, too. */
	ring?: boolean;
}

export interface LinkClass {
	color: string;
	alpha: number;
	width: number;
	dashed?: boolean;
}

export interface MeshData {
	count: number;
	/** Degrees; NaN: not known. */
	lat: Float32Array;
	lon: Float32Array;
	/** 0..1: size, and which labels win. */
	weight: Float32Array;
	/** Place in `nodeClasses`; 255: not shown. */
	nodeClass: Uint8Array;
	nodeClasses: NodeClass[];
	/** 1: drawn hollow, it was not heard for long. */
	stale: Uint8Array;
	label: (node: number) => string;
	links: {
		count: number;
		a: Uint32Array;
		b: Uint32Array;
		/** 0..1, for the force layout. */
		strength: Float32Array;
		/** Place in `linkClasses`; 255: not shown. */
		class: Uint8Array;
	};
	linkClasses: LinkClass[];
}

/** A way through the mesh, drawn over it. null: nobody knows which node this was. */
export interface Route {
	nodes: (number | null)[];
	color: string;
	/** Drawn thicker, with its hops numbered. */
	main: boolean;
}

export interface Emphasis {
	nodes: Uint8Array; // 1: stands out, the others are dimmed
	links?: Uint8Array;
}

export interface Hit {
	kind: "node" | "link";
	index: number;
}

export interface MeshColors {
	water: string;
	land: string;
	coast: string;
	border: string;
	text: string;
	halo: string;
	select: string;
	hollow: string;
}

/** Pixels at the sides that panels cover. */
export interface Insets {
	left: number;
	right: number;
	top: number;
	bottom: number;
}

export interface GeoView {
	lat: number;
	lon: number;
	/** As other maps count: 256 · 2^zoom pixels are the world. */
	zoom: number;
}
